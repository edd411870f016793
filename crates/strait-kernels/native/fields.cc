// The kernels of marginal fields in one unit: libtorch's headers take longer to read than these to compile.
#include "affine_field.cc"
#include "chain_field.cc"
#include "posterior.cc"
