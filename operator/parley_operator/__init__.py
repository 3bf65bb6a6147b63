"""The control plane: the operator that checks and streams components, and the injector that adds sidecars to pods."""
