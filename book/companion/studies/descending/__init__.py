"""Networks for sequences held to descend: their layers, trials, disturbances, what is kept."""
