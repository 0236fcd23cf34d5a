"""A run is a value: everything that shapes it, in one frozen configuration that can be printed."""

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
        discriminator_lr: learning rate of D's trunk.
        conditioning_multiplier: the rate of the parameters through which the label enters G, as a
            multiple of G's (conditional BN's embedding wants about five).
        heads_multiplier: the rate of D's heads as a multiple of D's.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        epsilon: added to the root of the second moment.
        schedule: ``constant``, or ``linear`` down to 0 at ``total_images`` from ``decay_from`` on.
        decay_from: share of ``total_images`` from which the linear schedule falls.
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
    """The loop; its clock counts real images that D has seen.

    Attributes:
        total_images: the budget in images.
        total_epochs: the budget in passes over the training part, for recipes that are told so.
        max_minutes: the budget in minutes, turned into images once by a measurement at the start.
        batch_size: images in a batch, for D and for G.
        discriminator_steps: D steps for each G step, every one on a batch of its own.
        horizontal_flip: whether half of the real images are shown mirrored, drawn anew each time:
        ``auto``
            where a mirrored image keeps its class (`acgan.data.batches`): photographs, clothes.
        generator_batch: ``shared``: one forward pass of G serves D's (last) step and G's;
            ``fresh``: G's step draws latents and labels of its own.
        fake_labels: ``frequency``: drawn by the training part's class frequencies; ``uniform``;
            ``batch``: those of the real batch.
        labeled_share: where only some training images are labeled (`DataConfig`): the share of
            each batch that is drawn from these, with labels; the rest is drawn from all training
            images, without.
        ema_half_life_images: half-life of the moving average of G's weights; 0 switches it off.
        ema_ramp: the half-life is at most this share of the images seen so far, so that short runs
            forget the start (Karras et al. 2022, appendix F).
        skips_before_restore: updates skipped in a row before the last good state is restored.
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


@final
class ReportingConfig(Config):
    """What is written while it trains; none of it changes the trajectory.

    Attributes:
        log_every_images: one row of metrics.jsonl, one line or refresh of the display.
        grid_every_images: a sample sheet, TensorBoard images, the collapse alarms.
        checkpoint_every_images: a checkpoint, and ``model/`` renewed.
        keep_checkpoints: the last few that stay; milestones (1, 2, 4, 8 … intervals) stay always.
        grid_columns: samples of each class on a sheet.
    """

    log_every_images: int = Field(4_000, ge=1)
    grid_every_images: int = Field(20_000, ge=1)
    checkpoint_every_images: int = Field(20_000, ge=1)
    keep_checkpoints: int = Field(3, ge=1)
    grid_columns: int = Field(10, ge=1)


@final
class RunConfig(Config):
    """A complete run.

    Attributes:
        recipe: the recipe that it started from.
        seed: of every random stream in training.
        init_from: SHA-256 of the model whose weights it starts from.
        classes_per_model: None for one model of all classes; else several, trained one after the
            other as runs of their own, each of at most so many classes (`acgan.training.run_set`).
            Budgets are then those of all models together.
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
    def _one_budget(self) -> Self:
        training = self.training
        budgets = (training.total_images, training.total_epochs, training.max_minutes)
        if sum(budget is not None for budget in budgets) != 1:
            raise ValueError("give one budget: training.total_images, total_epochs or max_minutes")
        return self

    @model_validator(mode="after")
    def _asks_for_classes_where_the_objective_does(self) -> Self:
        mode = self.generator.conditioning.mode
        if self.objective.conditional and mode == "none":
            raise ValueError(
                f"the objective {self.objective.name} needs a conditional generator, and "
                'generator.conditioning.mode is "none"; set it to "batchnorm", or the objective to '
                "gan or sgan"
            )
        if not self.objective.conditional and mode != "none":
            raise ValueError(
                f"the objective {self.objective.name} needs an unconditional generator, and "
                f'generator.conditioning.mode is "{mode}"; set it to "none"'
            )
        return self

    @model_validator(mode="after")
    def _divides_classes_only_where_there_are_some(self) -> Self:
        if self.classes_per_model is not None and not self.objective.conditional:
            raise ValueError(
                f"the objective {self.objective.name} has an unconditional generator, so there "
                "are no classes to divide among models; remove classes_per_model"
            )
        return self

    @model_validator(mode="after")
    def _hides_labels_only_where_they_can_be_missed(self) -> Self:
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
                "classes_per_model divides training images by their class, which those without a "
                f"label do not tell; leave it out, or {rest}"
            )
        d = self.discriminator
        if isinstance(d, PretrainedConfig) and d.feature_network.network == "reference-classifier":
            raise ValueError(
                "a reference classifier as discriminator.feature_network has learned the labels of "
                "all training images: "
                f"set discriminator.feature_network.network to another, or {rest}"
            )
        return self

    @model_validator(mode="after")
    def _signs_tell_overfitting(self) -> Self:
        if self.augmentation.adaptive and self.objective.source_loss == "least-squares":
            raise ValueError(
                "augmentation.adaptive reads the sign of D's logits, and least-squares has its "
                "border between real and fake at ½: set objective.source_loss to bce or hinge, or "
                "give a fixed augmentation.probability"
            )
        return self

    @model_validator(mode="after")
    def _each_regularizer_once(self) -> Self:
        names = [regularizer.name for regularizer in self.regularizers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"regularizers has {name} twice; name each once")
        return self

    def trajectory(self) -> dict[str, Any]:
        """The part that shapes the trajectory: equal parts, equal weights at equal images.

        Left out: where data and caches lie (their content is compared by hash), what is reported,
        and the budget, unless the learning rate's schedule depends on it.
        """
        values = self.model_dump(mode="json")
        del values["reporting"]
        for key in ("root", "cache", "bad_files"):
            del values["data"][key]
        if self.optimizer.schedule == "constant":
            for key in ("total_images", "total_epochs", "max_minutes"):
                del values["training"][key]
        return values

    def trajectory_hash(self) -> str:
        """Eight hexadecimal digits that name the trajectory in a run folder's name."""
        return short_hash(self.trajectory())
