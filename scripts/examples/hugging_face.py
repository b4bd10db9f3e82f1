"""Select from a Hugging Face data set, and take the rows that are kept: python hugging_face.py FOLDER_OF_IMAGES.

With a network, `datasets.load_dataset("cifar10", split="train")` stands in for the folder.
"""

import sys

import datasets

import rlsel
from rlsel.training.settings import TrainingSettings


def main(folder: str) -> None:
    rows = datasets.load_dataset("imagefolder", data_dir=folder, split="train")
    coresets = rlsel.select_many(
        rows, selectors=["random", "rl_selector"], ratios=[0.3, 0.6], training=TrainingSettings(epochs=5)
    )
    for (selector, ratio), coreset in coresets.items():
        kept = rows.select(coreset.indices)
        print(f"{selector} at {ratio}: {len(kept)} of {len(rows)} rows")


if __name__ == "__main__":
    main(sys.argv[1])
