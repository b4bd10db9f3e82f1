"""Choosing while the model trains: each pass is over another part of the data, by what was seen so far.

Nothing is selected beforehand, so that nothing has to pay for itself; and there is no coreset at the end.
"""
