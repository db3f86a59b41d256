"""Measures of the scene that several modules share: the frame, the loop, the ground, the sun.

Units: stage pixels of the finished frame, x to the right and y down.
"""

SIZE = 512
SUPERSAMPLING = 2
NUM_FRAMES = 96
SEED = 20250611

CAT_SCALE = 1.28  # stage pixels a unit of the cat's own frame
STRIDE = 128.0 * CAT_SCALE  # ground one full step of all four legs covers
NUM_STRIDES = 3
TRAVEL = STRIDE * NUM_STRIDES
HORIZON = 150.0
GROUND = 446.0  # where the cat's paws stand
SUN = (432.0, 30.0)
