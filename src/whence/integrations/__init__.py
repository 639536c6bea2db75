"""Callbacks for training libraries: each says which batch the training step goes on to.

One file a neighbour, imported by its user and by nobody inside: `whence.integrations.lightning`,
`whence.integrations.transformers`, `whence.integrations.keras`.
"""
