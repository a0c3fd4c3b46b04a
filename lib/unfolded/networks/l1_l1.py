"""ℓ1-ℓ1-RNN: the special case Z_l = I, g_l = 1 of reweighted-RNN, (12)."""

from unfolded.networks.reweighted import ReweightedRNN


class L1L1RNN(ReweightedRNN):
    """All layers share W_2 = I − DᵀAᵀAD/c, U = DᵀAᵀ/c and one threshold; source: (12)."""

    def _add_weights(self, reweighting: str) -> None:
        """Add neither Z nor g, which are constants here."""
        self.Z = None
