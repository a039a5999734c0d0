"""What travels from stage to stage: people, the skeleton, the camera."""
