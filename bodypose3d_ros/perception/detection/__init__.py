"""Who is where in the image: regions for the pose networks to look at."""
