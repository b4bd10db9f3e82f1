"""Select half of a folder of images, then train on it with a loop of your own: python own_folder.py FOLDER."""

import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

import rlsel
from rlsel.training.settings import TrainingSettings


def main(folder: str) -> None:
    pictures = ImageFolder(folder)
    coreset = rlsel.select(pictures, ratio=0.5, training=TrainingSettings(epochs=5))
    print(f"{len(coreset)} of {len(pictures)} pictures, by class {coreset.class_counts}")

    pictures.transform = transforms.Compose([transforms.Resize((32, 32)), transforms.ToTensor()])
    loader = DataLoader(Subset(pictures, coreset.indices), batch_size=32, shuffle=True)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, len(pictures.classes)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(3):
        for images, labels in loader:
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print(f"last loss {loss.item():.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
