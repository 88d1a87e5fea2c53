"""What makes the audit trail prove itself: signed checkpoints, proofs, bundles, erasure."""
