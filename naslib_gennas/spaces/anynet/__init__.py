"""AnyNet spaces of NDS: ResNet, ResNeXt-A and ResNeXt-B."""
