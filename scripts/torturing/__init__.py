"""What `make torture` does to the program: kills, damage, odd input and full disks."""
