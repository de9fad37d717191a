def ensure(version=None):
    raise RuntimeError("stub")
