// The kernels of maps and networks in one unit: libtorch's headers take longer to read than these to compile.
#include "affine.cc"
#include "affine_jet.cc"
#include "diagonal.cc"
#include "distance.cc"
#include "perceptron.cc"
#include "pointwise.cc"
#include "triangular.cc"
