//! IoT: a fleet of devices, from its readings to the commands that act on it.
