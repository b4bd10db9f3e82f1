"""Select with a network of your own, apply the policy to new samples, and train another network on the choice."""

import numpy as np
from sklearn.datasets import load_digits
from torch import nn

import rlsel
from rlsel.training.settings import TrainingSettings


class Net(nn.Module):
    """A small network that returns logits."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(in_channels, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten())
        self.head = nn.Linear(72, num_classes)

    def forward(self, images):  # noqa: ANN001, ANN201
        return self.head(self.layers(images))


def main() -> None:
    digits = load_digits()
    images, labels = digits.images.astype(np.float32), digits.target
    known, new = slice(0, 1200), slice(1200, None)
    recipe = TrainingSettings(epochs=5)
    coreset = rlsel.select((images[known], labels[known]), ratio=0.5, model=Net, training=recipe)
    chosen = rlsel.apply(coreset, images[new], ratio=0.5)  # nothing is trained, and no labels are needed
    print(f"{len(coreset)} of the known, {len(chosen)} of the new samples")
    trained = rlsel.train_on_subset(
        coreset, (images[known], labels[known]), test=(images[new], labels[new]), model="small_cnn", training=recipe
    )
    print(f"accuracy on the new samples {trained.result.top1_last:.2f}")


if __name__ == "__main__":
    main()
