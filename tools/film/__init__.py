"""Renders the project's own films: people with exact ground truth."""
