"""The bundled table, simulated, and how it was made."""
