"""The reinforcement learning: states, rewards, learners; it knows no data set and no target training."""
