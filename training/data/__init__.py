"""Pictures of a release as batches: loader, sampler, transforms."""
