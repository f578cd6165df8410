#include "ops/gemm_worker.h"

#include <map>
#include <string_view>
#include <tuple>

#include <oneapi/dnnl/dnnl.hpp>

#include "base/aligned_buffer.h"

// From the OpenMP runtime that oneDNN uses; declared here because the compiler's own <omp.h> may
// belong to another one.
extern "C" void omp_set_num_threads(int);

namespace quarry {
namespace {

using dnnl::memory;

memory::desc WeightDesc(GemmWeights layout, int64_t k, int64_t n) {
  switch (layout) {
    case GemmWeights::kBf16Panels:
      return {{k, n}, memory::data_type::bf16, memory::format_tag::BA16a64b2a};
    case GemmWeights::kF32Panels:
      return {{k, n}, memory::data_type::f32, memory::format_tag::BA16a64b};
    case GemmWeights::kF32Rows:
      break;
  }
  return {{k, n}, memory::data_type::f32, memory::format_tag::ab};
}

}  // namespace

struct GemmWorker::Impl {
  struct Product {
    dnnl::matmul primitive;
    memory a, b, c, scratchpad;
  };
  using Key = std::tuple<GemmWeights, int64_t, int64_t, int64_t>;

  Impl() : engine(dnnl::engine::kind::cpu, 0), stream(engine) {
    // Does oneDNN multiply panels directly here?
    const auto pd = Describe(GemmWeights::kF32Panels, 64, 64, 64);
    takes_panels = std::string_view(pd.impl_info_str()).starts_with("brg");
  }

  dnnl::matmul::primitive_desc Describe(GemmWeights layout, int64_t m, int64_t n, int64_t k) const {
    const auto a_type =
        layout == GemmWeights::kBf16Panels ? memory::data_type::bf16 : memory::data_type::f32;
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return dnnl::matmul::primitive_desc(
        dnnl::matmul::desc(memory::desc({m, k}, a_type, memory::format_tag::ab),
                           WeightDesc(layout, k, n),
                           memory::desc({m, n}, memory::data_type::f32, memory::format_tag::ab)),
        attributes, engine);
  }

  Product& Find(GemmWeights layout, int64_t m, int64_t n, int64_t k) {
    const auto it = products.find({layout, m, n, k});
    if (it != products.end()) return it->second;
    const auto pd = Describe(layout, m, n, k);
    if (pd.scratchpad_desc().get_size() > scratchpad.size()) {
      scratchpad = AlignedBuffer(pd.scratchpad_desc().get_size());
    }
    Product p{dnnl::matmul(pd), memory(pd.src_desc(), engine, nullptr),
              memory(pd.weights_desc(), engine, nullptr), memory(pd.dst_desc(), engine, nullptr),
              memory(pd.scratchpad_desc(), engine, nullptr)};
    return products.emplace(Key{layout, m, n, k}, std::move(p)).first->second;
  }

  dnnl::engine engine;
  dnnl::stream stream;
  std::map<Key, Product> products;
  AlignedBuffer scratchpad;
  bool takes_panels = false;
};

GemmWorker::GemmWorker() : impl_(std::make_unique<Impl>()) {}
GemmWorker::~GemmWorker() = default;

GemmWeights GemmWorker::f32_layout() const {
  return impl_->takes_panels ? GemmWeights::kF32Panels : GemmWeights::kF32Rows;
}

void GemmWorker::Multiply(GemmWeights layout, int64_t m, int64_t n, int64_t k, const void* a,
                          const void* weights, float* c) {
  omp_set_num_threads(1);  // of this thread; costs nanoseconds
  Impl::Product& p = impl_->Find(layout, m, n, k);
  p.a.set_data_handle(const_cast<void*>(a));
  p.b.set_data_handle(const_cast<void*>(weights));
  p.c.set_data_handle(c);
  p.scratchpad.set_data_handle(impl_->scratchpad.data());
  p.primitive.execute(impl_->stream, {{DNNL_ARG_SRC, p.a},
                                      {DNNL_ARG_WEIGHTS, p.b},
                                      {DNNL_ARG_DST, p.c},
                                      {DNNL_ARG_SCRATCHPAD, p.scratchpad}});
}

}  // namespace quarry
