"""Running the engine: its journal, the thread that applies records, and views of its state."""
