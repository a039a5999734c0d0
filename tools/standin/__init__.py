"""Networks with BodyPose3DNet's tensors that stand in for it where its weights are not at hand."""
