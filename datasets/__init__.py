"""Arrays with what is known about them: labels, intrinsic coordinates, exact geodesics, sample shape."""
