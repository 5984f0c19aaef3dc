"""Answer the Dagger session protocol on a machine without Dagger, over buildah."""
