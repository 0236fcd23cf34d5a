"""The configuration of a run: one frozen value that can be printed."""

from __future__ import annotations

from typing import Any, Literal, Self, final

from pydantic import Field, model_validator

from acgan.augmentation.augmentation import AugmentationConfig
from acgan.config import Config, short_hash
from acgan.data.class_selection import MIN_GROUP_SIZE
from acgan.data.config import DataConfig
from acgan.execution.execution import ExecutionConfig
from acgan.networks.families import DiscriminatorFamily, GeneratorFamily
from acgan.networks.pretrained import PretrainedConfig
from acgan.objectives.acgan import ACGANConfig
from acgan.objectives.build import ObjectiveConfig, RegularizerConfig


@final
class OptimizerConfig(Config):
    """Adam for both networks (Kingma & Ba 2015).

    Attributes:
        generator_lr: learning rate of G.
        discriminator_lr: learning rate of D's feature layers.
        conditioning_multiplier: factor on G's rate for the parameters that depend on the label
            (about 5 for the embedding of conditional BN).
        heads_multiplier: factor on D's rate for its heads.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        epsilon: added to the root of the second moment.
        schedule: ``constant``, or ``linear`` down to 0 at ``total_images`` from ``decay_from`` on.
        decay_from: share of ``total_images`` after which the linear schedule falls.
    """

    generator_lr: float = Field(2e-4, gt=0)
    discriminator_lr: float = Field(2e-4, gt=0)
    conditioning_multiplier: float = Field(1.0, gt=0)
    heads_multiplier: float = Field(1.0, gt=0)
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    epsilon: float = Field(1e-8, gt=0)
    schedule: Literal["constant", "linear"] = "constant"
    decay_from: float = Field(0.5, ge=0, lt=1)


@final
class TrainingConfig(Config):
    """The training loop; its clock counts the real images used in D's steps.

    Attributes:
        total_images: budget in images.
        total_epochs: budget in passes over the training split.
        max_minutes: budget in minutes, converted into images once by a measurement at the start.
        batch_size: images in a batch, for D and for G.
        discriminator_steps: D steps per G step, each on another batch.
        horizontal_flip: whether each real image is flipped with probability ½; ``auto`` does so if
            the data source declares that flips keep the class (photographs, clothes).
        generator_batch: ``shared``: D's (last) step and G's use the same fakes; ``fresh``: G's step
            samples new latents and labels.
        fake_labels: ``frequency``: sampled at the class frequencies of the training split;
            ``uniform``; ``batch``: the labels of the real batch.
        labeled_share: if only some training images are labeled: their share of each batch. The
            rest is sampled from all training images, without labels.
        ema_half_life_images: half-life of the moving average of G's weights; 0 switches it off.
        ema_ramp: upper limit of the half-life as a share of the images seen, so that short runs
            forget their start (Karras et al. 2022, appendix F).
        skips_before_restore: consecutive skipped updates before the last good state is restored.
    """

    total_images: int | None = Field(None, ge=1)
    total_epochs: int | None = Field(None, ge=1)
    max_minutes: float | None = Field(None, gt=0)
    batch_size: int = Field(64, ge=2)
    discriminator_steps: int = Field(1, ge=1)
    horizontal_flip: Literal["never", "auto", "always"] = "never"
    generator_batch: Literal["shared", "fresh"] = "fresh"
    fake_labels: Literal["frequency", "uniform", "batch"] = "frequency"
    labeled_share: float = Field(0.5, gt=0, lt=1)
    ema_half_life_images: float = Field(20_000, ge=0)
    ema_ramp: float | None = Field(0.1, gt=0)
    skips_before_restore: int = Field(5, ge=1)


ROW_IMAGES, LEAST_ROWS = 4_000, 20


@final
class ReportingConfig(Config):
    """Output during training; it never changes the trajectory.

    Attributes:
        log_every_images: interval of the rows of metrics.jsonl and of the display; None for 4,000,
            or a twentieth of a smaller budget, and a row at the end.
        grid_every_images: interval of sample grids and alarms.
        checkpoint_every_images: interval of checkpoints and of ``model/``.
        keep_checkpoints: number of last checkpoints that stay; milestones (1, 2, 4, 8 … intervals)
            always stay.
        grid_columns: samples of each class in a grid.
    """

    log_every_images: int | None = Field(None, ge=1)
    grid_every_images: int = Field(20_000, ge=1)
    checkpoint_every_images: int = Field(20_000, ge=1)
    keep_checkpoints: int = Field(3, ge=1)
    grid_columns: int = Field(10, ge=1)

    def row_interval(self, total_images: int) -> int:
        """Return the interval of the rows for a budget."""
        if self.log_every_images is not None:
            return self.log_every_images
        return max(1, min(ROW_IMAGES, total_images // LEAST_ROWS))


@final
class RunConfig(Config):
    """A complete run.

    Attributes:
        recipe: name of its recipe.
        seed: seed of all random streams in training.
        init_from: SHA-256 of the model with its initial weights.
        classes_per_model: None for one model of all classes; else the largest number of classes of
            each model of a set (`acgan.training.run_set`). The budget is that of all together.
    """

    recipe: str
    seed: int = Field(0, ge=0, lt=2**63)
    data: DataConfig = DataConfig()
    generator: GeneratorFamily
    discriminator: DiscriminatorFamily
    objective: ObjectiveConfig = ACGANConfig()
    regularizers: tuple[RegularizerConfig, ...] = ()
    augmentation: AugmentationConfig = AugmentationConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    execution: ExecutionConfig = ExecutionConfig()
    reporting: ReportingConfig = ReportingConfig()
    init_from: str | None = None
    classes_per_model: int | None = Field(None, ge=MIN_GROUP_SIZE)

    @model_validator(mode="after")
    def _check_budget_and_regularizers(self) -> Self:
        names = [regularizer.name for regularizer in self.regularizers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"regularizers has {name} twice; name each once")
        training = self.training
        if [training.total_images, training.total_epochs, training.max_minutes].count(None) != 2:
            raise ValueError("give one budget: training.total_images, total_epochs or max_minutes")
        return self

    @model_validator(mode="after")
    def _check_conditioning(self) -> Self:
        mode, conditional = self.generator.conditioning.mode, self.objective.conditional
        if conditional == (mode == "none"):
            kind, remedy = "an unconditional", '"none"'
            if conditional:
                kind, remedy = "a conditional", '"batchnorm", or the objective to gan or sgan'
            raise ValueError(
                f"the objective {self.objective.name} needs {kind} generator, and "
                f'generator.conditioning.mode is "{mode}"; set it to {remedy}'
            )
        if self.classes_per_model is not None and not conditional:
            raise ValueError(
                f"the objective {self.objective.name} has an unconditional generator, so there "
                "are no classes to divide among models; remove classes_per_model"
            )
        return self

    @model_validator(mode="after")
    def _check_unlabeled(self) -> Self:
        if self.data.labeled_per_class is None:
            return self
        rest = "leave data.labeled_per_class out"
        if not self.objective.takes_unlabeled:
            raise ValueError(
                f"the objective {self.objective.name} with these settings needs a label for each "
                f"real image; {rest}, or use sgan, or acgan with objective.source_head=plain"
            )
        if self.training.fake_labels == "batch":
            raise ValueError(
                'training.fake_labels is "batch", and most images of a batch have no label: set it '
                f'to "frequency", or {rest}'
            )
        if self.classes_per_model is not None:
            raise ValueError(
                "classes_per_model divides training images by class, and most have no label: "
                f"leave it out, or {rest}"
            )
        d = self.discriminator
        if isinstance(d, PretrainedConfig) and d.feature_network.network == "reference-classifier":
            raise ValueError(
                "a reference classifier as discriminator.feature_network is fitted to the labels "
                f"of all training images: use another discriminator.feature_network, or {rest}"
            )
        return self

    @model_validator(mode="after")
    def _check_adaptive_augmentation(self) -> Self:
        if self.augmentation.adaptive and self.objective.source_loss == "least-squares":
            raise ValueError(
                "augmentation.adaptive uses the sign of D's logits, and least-squares has its "
                "border between real and fake at ½: set objective.source_loss to bce or hinge, or "
                "give a fixed augmentation.probability"
            )
        return self

    def trajectory(self) -> dict[str, Any]:
        """Return the settings that, with the data, determine the weights at each image count.

        Left out are the data's location and class selection (its content is compared by hash,
        `acgan.data.images.DatasetSplits.content_hash`), caches, reporting, threads (they shape the
        last bits; environment.json has their number), and the budget, unless the schedule of the
        learning rate depends on it.
        """
        values = self.model_dump(mode="json")
        del values["reporting"]
        for key in ("source", "root", "only_class", "cache", "bad_files"):
            del values["data"][key]
        del values["execution"]["threads"]
        if self.optimizer.schedule == "constant":
            for key in ("total_images", "total_epochs", "max_minutes"):
                del values["training"][key]
        return values

    def trajectory_hash(self, data_hash: str) -> str:
        """Return 8 hexadecimal digits of trajectory and data, for the name of a run folder.

        Args:
            data_hash: `acgan.data.images.DatasetSplits.content_hash`.
        """
        return short_hash({**self.trajectory(), "data_hash": data_hash})
