from hypothesis import settings

# the first example of a test pays for imports, and a busy machine for everything: time is no property of the code
settings.register_profile("rlsel", deadline=None)
settings.load_profile("rlsel")
