// A process group of libtorch's c10d over a TCPStore: Gloo, and where it is compiled with STRAIT_NCCL, NCCL for tensors of a GPU.
// Every function returns null, or an error message that the caller frees with strait_free.
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef STRAIT_NCCL
#include <c10/cuda/CUDAGuard.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include "common.h"

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

using at::Tensor;
using strait::guarded;
using std::chrono::milliseconds;

namespace {

struct Store {
  c10::intrusive_ptr<c10d::TCPStore> store;
};

struct Group {
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
#ifdef STRAIT_NCCL
  c10::intrusive_ptr<c10d::Store> store;
  milliseconds timeout;
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl;
#endif

  // What carries a tensor. NCCL's part is made with the first tensor of a GPU, which all ranks send together.
  c10d::Backend& of(const Tensor& tensor) {
#ifdef STRAIT_NCCL
    if (tensor.is_cuda()) {
      const c10::cuda::CUDAGuard device(tensor.device());
      if (!nccl) {
        // A wait ends with an error after the timeout, and the process says itself what became of it.
        setenv("TORCH_NCCL_BLOCKING_WAIT", "1", 0);
        setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", 0);
        auto options = c10d::ProcessGroupNCCL::Options::create();
        options->timeout = timeout;
        nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::make_intrusive<c10d::PrefixStore>("nccl", store),
                                                           gloo->getRank(), gloo->getSize(), options);
      }
      return *nccl;
    }
#endif
    return *gloo;
  }
};

std::vector<uint8_t> bytes(const char* text) { return {text, text + strlen(text)}; }

}  // namespace

extern "C" {

// The store at an address; `serve`: this process is the one that holds it.
char* strait_store_open(const char* host, uint16_t port, bool serve, int64_t timeout_ms, Store** result) {
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serve;
    options.waitWorkers = false;
    options.timeout = milliseconds(timeout_ms);
    *result = new Store{c10::make_intrusive<c10d::TCPStore>(host, options)};
  });
}

void strait_store_free(Store* store) {
  const auto failed = guarded([&] { delete store; });
  free(failed);
}

char* strait_store_set(Store* store, const char* key, const char* value) {
  return guarded([&] { store->store->set(key, bytes(value)); });
}

// Waits for the key. The text is freed with strait_free.
char* strait_store_get(Store* store, const char* key, int64_t timeout_ms, char** value) {
  return guarded([&] {
    store->store->wait({key}, milliseconds(timeout_ms));
    const auto found = store->store->get(key);
    *value = strndup(reinterpret_cast<const char*>(found.data()), found.size());
  });
}

// The number under a key, counted from 0, after `by` is added.
char* strait_store_add(Store* store, const char* key, int64_t by, int64_t* value) {
  return guarded([&] { *value = store->store->add(key, by); });
}

// The group of all ranks over the store. `interface` names a network interface, or is null, and then `address` is that of
// this process.
char* strait_group_join(Store* store, int rank, int world, const char* interface, const char* address, int64_t timeout_ms,
                        Group** result) {
  return guarded([&] {
    auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(timeout_ms));
    options->devices.push_back(interface ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                                         : c10d::ProcessGroupGloo::createDeviceForHostname(address));
    options->threads = 1;
    *result = new Group{c10::make_intrusive<c10d::ProcessGroupGloo>(store->store, rank, world, options)};
#ifdef STRAIT_NCCL
    (*result)->store = store->store;
    (*result)->timeout = milliseconds(timeout_ms);
#endif
  });
}

void strait_group_free(Group* group) {
  const auto failed = guarded([&] { delete group; });
  free(failed);
}

char* strait_group_broadcast(Group* group, Tensor* tensor, int root) {
  return guarded([&] {
    std::vector<Tensor> tensors{*tensor};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    group->of(*tensor).broadcast(tensors, options)->wait();
  });
}

// The sum over all ranks, in place.
char* strait_group_sum(Group* group, Tensor* tensor) {
  return guarded([&] {
    std::vector<Tensor> tensors{*tensor};
    group->of(*tensor).allreduce(tensors)->wait();
  });
}

// What every rank gives, in the order of the ranks.
char* strait_group_all_gather(Group* group, Tensor* tensor, Tensor** results, size_t world) {
  return guarded([&] {
    std::vector<Tensor> inputs{*tensor};
    std::vector<std::vector<Tensor>> outputs(1);
    for (size_t i = 0; i < world; ++i) outputs[0].push_back(at::empty_like(*tensor));
    group->of(*tensor).allgather(outputs, inputs)->wait();
    for (size_t i = 0; i < world; ++i) results[i] = new Tensor(outputs[0][i]);
  });
}

// The same on rank `root` alone.
char* strait_group_gather(Group* group, Tensor* tensor, int root, Tensor** results, size_t world) {
  return guarded([&] {
    std::vector<Tensor> inputs{*tensor};
    std::vector<std::vector<Tensor>> outputs;
    if (group->gloo->getRank() == root) {
      outputs.resize(1);
      for (size_t i = 0; i < world; ++i) outputs[0].push_back(at::empty_like(*tensor));
    }
    c10d::GatherOptions options;
    options.rootRank = root;
    group->of(*tensor).gather(outputs, inputs, options)->wait();
    for (size_t i = 0; i < world; ++i) results[i] = outputs.empty() ? nullptr : new Tensor(outputs[0][i]);
  });
}

char* strait_group_barrier(Group* group) {
  return guarded([&] { group->gloo->barrier()->wait(); });
}

}  // extern "C"
