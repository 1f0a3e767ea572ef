"""Makes the training corpus of the bundled model from public data: motion seen through made-up cameras.

Motion capture and Kinect skeletons become BlazePose bodies in metres, which fall, sit and idle as the sources
do not, are seen by random CCTV cameras and get the noise of a pose network.
"""
