"""Data sets, batched augmentation, and what is changed in a data set on purpose."""
