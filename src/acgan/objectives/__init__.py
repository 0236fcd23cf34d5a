"""What is optimised: source losses, the ACGAN objective, regularisers."""
