"""The sequence engine: the recurrence of reweighted-RNN and ℓ1-ℓ1-RNN with its own backward pass.

Forward it takes the same steps as :func:`unfolded.solvers.reweighted_step`. Backward it collects
what concerns a weight over all time steps and multiplies once, where autograd would multiply
once per frame and layer.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def unroll(x, h0, M, G, kappa, a, b, Z=None) -> Tensor:
    r"""Run d layers over T frames and return the codes of the last layer.

    For each frame :math:`\hbar = G h_{t-1}`, :math:`p_0 = \hbar` and, for l = 1 … d,

    .. math:: r_l = x_t - M p_{l-1}, \quad v_l = p_{l-1} + \kappa M^\top r_l, \quad
        p_l = \Phi_{a_l, b_l, \hbar}(Z_l v_l), \qquad h_t = p_d.

    Shapes: x (batch, time, n); h0 (h,); M (n, h); G (h, h); kappa = 1/c (); a, b (d, h);
    Z (d, h, h) or None for I; result (batch, time, h). Differentiable once in every tensor;
    the thresholds must not be negative, else the gradient with respect to them is wrong.
    Source: (8)–(11), with no h × h product of weights ever formed.
    """
    return _Unroll.apply(x, h0, M, G, kappa, a, b, Z)


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, h0, M, G, kappa, a, b, Z):
        (B, T, n), (d, h) = x.shape, a.shape
        xs = x.transpose(0, 1).contiguous()
        scaled = kappa * M
        # Layer first, so that one layer's rows of all frames lie together for the weight products.
        P = x.new_empty(d + 1, T, B, h)
        R = x.new_empty(d, T, B, n)
        V = None if Z is None else x.new_empty(d, T, B, h)
        v, u, low, high, sign, above = (x.new_empty(B, h) for _ in range(6))
        zero = x.new_zeros(())
        reach, lean = a + b, a - b
        previous = h0.expand(B, h)
        for t in range(T):
            hbar = torch.mm(previous, G.T, out=P[0, t])
            torch.minimum(hbar, zero, out=low)
            torch.maximum(hbar, zero, out=high)
            torch.sign(hbar, out=sign)
            for l in range(d):
                p = P[l, t]
                r = torch.addmm(xs[t], p, M.T, alpha=-1, out=R[l, t])
                v_l = torch.addmm(p, r, scaled, out=v if V is None else V[l, t])
                u_l = v_l if V is None else torch.mm(v_l, Z[l].T, out=u)
                new = torch.addcmul(u_l, sign, lean[l], value=-1, out=P[l + 1, t])
                torch.clamp(new, low, high, out=new)
                torch.minimum(new, torch.add(u_l, reach[l], out=above), out=new)
                torch.maximum(new, torch.sub(u_l, reach[l], out=above), out=new)
            previous = P[d, t]
        ctx.save_for_backward(h0, M, G, kappa, a, b, Z, P, R, V)
        return P[d].transpose(0, 1).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        h0, M, G, kappa, a, b, Z, P, R, V = ctx.saved_tensors
        d, T, B, h = P.shape[0] - 1, *P.shape[1:]
        grads = grad.transpose(0, 1)
        hbar, values = P[0], P[1:]
        at_hbar = values == hbar
        # The pieces of Φ as in prox.py: slope one off both plateaus, unless one has no width.
        a, b = a[:, None, None], b[:, None, None]
        off = ((values != 0) | (a == 0)) & (~at_hbar | (b == 0))
        line = off.to(grad.dtype)
        plateau = (at_hbar & ~off & ((hbar != 0) | (b > a))).to(grad.dtype)
        du, E = torch.empty_like(values), torch.empty_like(R)
        dv = du if V is None else torch.empty_like(V)
        dhbar = torch.empty_like(hbar)
        scaled = kappa * M
        carry = grad.new_zeros(B, h)
        for t in reversed(range(T)):
            dp, total = grads[t] + carry, dhbar[t].zero_()
            for l in reversed(range(d)):
                torch.mul(dp, line[l, t], out=du[l, t])
                total.addcmul_(dp, plateau[l, t])
                if V is not None:
                    torch.mm(du[l, t], Z[l], out=dv[l, t])
                torch.mm(dv[l, t], M.T, out=E[l, t])
                torch.addmm(dv[l, t], E[l, t], scaled, alpha=-1, out=dp)
            carry = torch.mm(total.add_(dp), G)

        def rows(tensor: Tensor) -> Tensor:
            return tensor.reshape(-1, tensor.shape[-1])

        before = torch.cat([h0.expand(1, B, h), P[d, :-1]])
        needed = ctx.needs_input_grad
        dZ = dM = dG = da = db = None
        if needed[2]:
            dM = kappa * (rows(R).T @ rows(dv) - rows(E).T @ rows(P[:-1]))
        if needed[3]:
            dG = rows(dhbar).T @ rows(before)
        if needed[5]:
            da = -(du * torch.sign(values)).sum((1, 2))
        if needed[6]:
            db = -(du * torch.sign(values - hbar)).sum((1, 2))
        if needed[7]:
            dZ = torch.stack([rows(du[l]).T @ rows(V[l]) for l in range(d)])
        dx = kappa * E.sum(0).transpose(0, 1)
        return dx, carry.sum(0), dM, dG, (R * E).sum(), da, db, dZ
