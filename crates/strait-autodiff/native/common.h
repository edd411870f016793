// What every native file needs: tensors, errors as text, and vector code for several processors. No C++ exception crosses
// into Rust.
#pragma once
#define TORCH_ASSERT_ONLY_METHOD_OPERATORS
#include <ATen/core/Tensor.h>

#include <cstring>
#include <exception>

// One body, compiled for several generations of processor and chosen at start.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define STRAIT_VECTOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define STRAIT_VECTOR
#endif

#define INLINE __attribute__((always_inline)) inline

namespace strait {

inline char* message(const std::exception& e) {
  // The first line says it; what follows is a C++ backtrace.
  if (const auto* torch_error = dynamic_cast<const c10::Error*>(&e)) {
    return strdup(torch_error->what_without_backtrace());
  }
  return strdup(e.what());
}

// Runs body; null, or an error message that the caller frees with strait_free.
template <typename F>
char* guarded(F&& body) {
  try {
    body();
    return nullptr;
  } catch (const std::exception& e) {
    return message(e);
  } catch (...) {
    return strdup("unknown C++ exception");
  }
}

}  // namespace strait
