// What every native file needs: tensors, and errors as text. No C++ exception crosses into Rust.
#pragma once
#define TORCH_ASSERT_ONLY_METHOD_OPERATORS
#include <ATen/core/Tensor.h>

#include <cstring>
#include <exception>

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
