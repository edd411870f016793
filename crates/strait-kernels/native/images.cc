// The kernels of networks of images in one unit: libtorch's headers take longer to read than these to compile.
#include "attention.cc"
#include "group_norm.cc"
