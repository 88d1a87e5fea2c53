"""The gate: asked before every governed call, it says on the spot what may not be done."""
