"""Measures the pipeline on footage: stages, cameras, people, workers, models, and against other pipelines."""
