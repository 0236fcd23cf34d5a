"""What a reader of the chapter on variety needs to know of its measures."""

from __future__ import annotations

EXPLANATION = (
    "A model can draw the right classes sharply and still draw the same picture again and again. "
    "So the samples of each class are compared with one another, and the real test images of that "
    "class with one another: the two should differ equally much.",
    "MS-SSIM (Wang, Simoncelli & Bovik 2003) says how alike two images look over several scales, "
    "1 for equal ones. Its mean over 100 random pairs of one class is low where a class is "
    "varied (Odena, Olah & Shlens 2017, §4.2). The share of classes whose mean lies below the "
    "highest mean of any real class is that paper's figure (84.7 % there, with the maximum .25 of "
    "ImageNet's training images at 128 pixels); it is a lenient one, so read the classes "
    "themselves too. The published measure needs 161 pixels a side; smaller images get as many of "
    "its scales as fit, and the name says how many: figures with different scales do not compare. "
    "Noise lowers MS-SSIM as variety does.",
    "The variance ratio is, per class, the summed variance of the judge's features of the samples "
    "over that of real test images. Near 1 is right, near 0 is a class with one image. Well above "
    "1 is no variety either: noise, or samples of other classes.",
    "Near-identical samples are those nearer to another sample of their class than a tenth of what "
    "two real images of it are typically apart (in pixels). The real images beside them are as "
    "many, since the share grows with the number.",
    "Sharpness is the energy of the finest detail (squared Laplacian) of samples over that of real "
    "images: blur takes it far below 1, grain and checkerboards far above. It sees no shapes: a "
    "sharp picture of nonsense has 1.",
    "Brightness and colour: how much the mean level and the mean colour (its tint, brightness left "
    "out) differ between images of a class, as variances over those of real images. The judge "
    "hardly looks at colours, so a class may come in one colour scheme while its variance ratio is "
    "near 1; here it is near 0.",
    "None of these sees whether the samples cover all that real images of a class show; recall and "
    "coverage in the chapter on fidelity ask that. And a model that returns its training images is "
    "as varied as they are: see memorisation.",
)
