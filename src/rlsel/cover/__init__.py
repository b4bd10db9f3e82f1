"""The ε-sample cover: E_c, cover counts and neighbours; pure functions of features and labels."""
