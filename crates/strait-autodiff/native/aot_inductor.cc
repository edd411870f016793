// Models that torch.export and AOTInductor have compiled into a package (.pt2).
#include "common.h"

#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#ifdef __linux__
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

using at::Tensor;
using strait::guarded;
using Loader = torch::inductor::AOTIModelPackageLoader;

// Compiled code takes its inputs for what the model was exported with, and reads past the end of smaller ones, unless this
// is set where it is first called. Set here, it is before any thread could read the environment.
__attribute__((constructor)) static void strait_check_inputs() { setenv("AOTI_RUNTIME_CHECK_INPUTS", "1", /*overwrite=*/0); }

extern "C" {

// `stub` is an empty library under the name libtorch.so, which the package's own library asks for by name: the file of a
// libtorch for the CPU may be a script for linkers.
char* strait_package_open(const char* path, int device, const char* stub, size_t n, Loader** result) {
  return guarded([&] {
#ifdef __linux__
    if (n > 0 && !dlopen("libtorch.so", RTLD_LAZY | RTLD_NOLOAD)) {
      const int file = memfd_create("libtorch.so", MFD_CLOEXEC);
      const bool whole = file >= 0 && write(file, stub, n) == static_cast<ssize_t>(n);
      const std::string name = "/proc/self/fd/" + std::to_string(file);
      const bool loaded = whole && dlopen(name.c_str(), RTLD_NOW | RTLD_GLOBAL);
      if (file >= 0) close(file);
      if (!loaded) throw std::runtime_error("no libtorch.so for it can be loaded");
    }
#endif
    *result = new Loader(path, "model", /*run_single_threaded=*/false, /*num_runners=*/1,
                         static_cast<c10::DeviceIndex>(device));
  });
}

void strait_package_close(Loader* loader) { delete loader; }

char* strait_package_run(Loader* loader, Tensor** inputs, size_t n, Tensor** result) {
  return guarded([&] {
    std::vector<Tensor> all;
    for (size_t i = 0; i < n; ++i) all.push_back(*inputs[i]);
    auto outputs = loader->run(all);
    if (outputs.size() != 1) throw std::runtime_error("it gives " + std::to_string(outputs.size()) + " tensors");
    *result = new Tensor(std::move(outputs[0]));
  });
}

}  // extern "C"
