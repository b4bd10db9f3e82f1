"""rlsel from Python: the same core as the command line, on data that a program holds; nothing is written.

Every function takes a data set as `rlsel.data.wrapping.as_dataset` does: a pair of arrays or tensors, a torch data set
of (image, label) pairs, a Hugging Face `datasets.Dataset`, or an rlsel data set. Indices count in it, in its own order.
"""
