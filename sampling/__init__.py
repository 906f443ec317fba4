"""What a trained run gives away: videos, and weights that others can use."""
