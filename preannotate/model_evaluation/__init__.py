"""How good a trained run or a built function is."""
