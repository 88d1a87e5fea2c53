"""The manifest: one hashed document that says everything the engine may be told.

`model` is what a manifest holds, `facts` the names its conditions may use, `condition` how they are
decided, `codec` its canonical form, `load` how people write it (YAML).
"""
