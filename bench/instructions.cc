// One hot loop on a fixed small input, for instruction counters: tools/check_instructions runs each
// under callgrind and compares the counts with bench/instructions.txt. Counts, unlike times, do not
// depend on what else the machine does.
//   bench_instructions          names of the loops
//   bench_instructions NAME     runs that one
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/rng.h"
#include "bench/made_data.h"
#include "kernels/dispatch.h"
#include "kernels/panel.h"
#include "kernels/quant_panel.h"
#include "tensor/weight_type.h"

// What is counted: callgrind collects inside this function only.
extern "C" __attribute__((noinline)) void CountedLoop(const std::function<void()>& loop) {
  loop();
  asm volatile("" ::: "memory");
}

namespace quarry {
namespace {

using kernels::KernelTable;

std::vector<float> SomeFloats(int64_t n) {
  Rng rng(8);
  std::vector<float> out(static_cast<size_t>(n));
  for (float& x : out) x = static_cast<float>(rng.Uniform() - 0.5);
  return out;
}

using Loop = std::function<void()>;
using MakeLoop = std::function<Loop(const KernelTable&)>;

// `rows` queries over `tokens` keys and values.
Loop Attend(const KernelTable& k, DType type, int head_dim, int rows, int tokens) {
  auto data = std::make_shared<bench::AttendData>(k, type, head_dim, rows, tokens);
  return [data] { data->Attend(); };
}

// One row times `panels` panels of [k][64].
Loop Gemv(const KernelTable& t, WeightType type, int64_t k, int64_t panels) {
  const int64_t bytes = kernels::kWeightPanel * RowBytes(type, k);
  auto weights =
      std::make_shared<AlignedBuffer>(bench::MadeBytes(static_cast<size_t>(bytes * panels)));
  auto x = std::make_shared<std::vector<float>>(SomeFloats(k));
  auto y = std::make_shared<std::vector<float>>(static_cast<size_t>(kernels::kWeightPanel));
  if (!IsQuantized(type)) {
    const auto gemv = type == WeightType::kF16 ? t.gemv_f16 : t.gemv_bf16;
    return [=] {
      for (int64_t p = 0; p < panels; ++p) {
        gemv({.w = weights->data() + p * bytes,
              .k = k,
              .n_panels = 1,
              .x = x->data(),
              .x_stride = k,
              .rows = 1,
              .y = y->data(),
              .y_stride = kernels::kWeightPanel});
      }
    };
  }
  auto groups = std::make_shared<std::vector<kernels::InputGroup>>(
      static_cast<size_t>(k / kernels::kGroupInputs));
  return [=, &t] {
    t.quantize_inputs(x->data(), k, groups->data());
    for (int64_t p = 0; p < panels; ++p) {
      t.gemv_quant({.type = type,
                    .w = weights->data() + p * bytes,
                    .k = k,
                    .x = groups->data(),
                    .x_stride = k / kernels::kGroupInputs,
                    .rows = 1,
                    .y = y->data(),
                    .y_stride = kernels::kWeightPanel});
    }
  };
}

Loop Widen(const KernelTable& t, WeightType type, int64_t k) {
  auto panel = std::make_shared<AlignedBuffer>(
      bench::MadeBytes(static_cast<size_t>(kernels::kWeightPanel * RowBytes(type, k))));
  auto out = std::make_shared<std::vector<float>>(static_cast<size_t>(k * kernels::kWeightPanel));
  return [=, &t] { t.unpack_quant(type, panel->data(), k, out->data(), kernels::kWeightPanel); };
}

Loop PageBounds(const KernelTable& t, int rows, int head_dim, int64_t panels) {
  const size_t side = kernels::KeyPanelBytes(DType::kF16, head_dim);
  auto bytes =
      std::make_shared<AlignedBuffer>(bench::MadeBytes(2 * side * static_cast<size_t>(panels)));
  auto q = std::make_shared<std::vector<float>>(SomeFloats(int64_t{rows} * head_dim));
  auto scores = std::make_shared<std::vector<float>>(
      static_cast<size_t>(rows * panels * kernels::kPanelTokens));
  return [=, &t] {
    for (int64_t p = 0; p < panels; ++p) {
      const std::byte* panel = bytes->data() + 2 * side * static_cast<size_t>(p);
      t.page_bounds({.dtype = DType::kF16,
                     .head_dim = head_dim,
                     .rows = rows,
                     .up = q->data(),
                     .down = q->data(),
                     .high = panel,
                     .low = panel + side,
                     .scores = scores->data() + p * kernels::kPanelTokens,
                     .stride = panels * kernels::kPanelTokens,
                     .ahead_high = panel,
                     .ahead_low = panel + side});
    }
  };
}

Loop DotRows(const KernelTable& t, int64_t n, int64_t dim) {
  auto rows = std::make_shared<AlignedBuffer>(bench::MadeBytes(static_cast<size_t>(n * dim) * 2));
  auto x = std::make_shared<std::vector<float>>(SomeFloats(dim));
  auto scores = std::make_shared<std::vector<float>>(static_cast<size_t>(n));
  return [=, &t] { t.dot_rows(DType::kBF16, rows->data(), n, dim, x->data(), scores->data()); };
}

Loop TopK(const KernelTable& t, int64_t n, int64_t k) {
  auto scores = std::make_shared<std::vector<float>>(SomeFloats(n));
  auto out = std::make_shared<std::vector<int32_t>>(static_cast<size_t>(k));
  return [=, &t] { t.top_k(scores->data(), n, k, out->data()); };
}

Loop PackKeys(const KernelTable& t, int head_dim, int64_t panels) {
  auto rows =
      std::make_shared<std::vector<float>>(SomeFloats(panels * kernels::kPanelTokens * head_dim));
  const size_t bytes = kernels::KeyPanelBytes(DType::kF16, head_dim);
  auto out = std::make_shared<AlignedBuffer>(bytes * static_cast<size_t>(panels));
  return [=, &t] {
    for (int64_t p = 0; p < panels; ++p) {
      t.pack_keys(DType::kF16, rows->data() + p * kernels::kPanelTokens * head_dim, head_dim,
                  kernels::kPanelTokens, head_dim, 0, out->data() + bytes * static_cast<size_t>(p));
    }
  };
}

const std::map<std::string, MakeLoop>& Loops() {
  static const std::map<std::string, MakeLoop> loops = {
      {"attend-prefill-f16", [](auto& k) { return Attend(k, DType::kF16, 64, 96, 1024); }},
      {"attend-decode-f16", [](auto& k) { return Attend(k, DType::kF16, 64, 3, 8192); }},
      {"attend-decode-int8", [](auto& k) { return Attend(k, DType::kI8, 64, 3, 8192); }},
      {"gemv-bf16", [](auto& k) { return Gemv(k, WeightType::kBF16, 1024, 16); }},
      {"gemv-f16", [](auto& k) { return Gemv(k, WeightType::kF16, 1024, 16); }},
      {"gemv-q8_0", [](auto& k) { return Gemv(k, WeightType::kQ8_0, 1024, 16); }},
      {"gemv-q4_k", [](auto& k) { return Gemv(k, WeightType::kQ4_K, 1024, 16); }},
      {"widen-q4_k", [](auto& k) { return Widen(k, WeightType::kQ4_K, 2048); }},
      {"page-bounds", [](auto& k) { return PageBounds(k, 3, 64, 512); }},
      {"dot-rows", [](auto& k) { return DotRows(k, 4096, 256); }},
      {"top-k", [](auto& k) { return TopK(k, 65536, 255); }},
      {"pack-keys", [](auto& k) { return PackKeys(k, 64, 256); }},
  };
  return loops;
}

int Run(const std::string& name) {
  const Result<const KernelTable*> kernels = kernels::ChooseKernelsFromEnvironment();
  if (!kernels.ok()) {
    std::fprintf(stderr, "bench_instructions: %s\n", kernels.status().message().c_str());
    return 1;
  }
  const auto found = Loops().find(name);
  if (found == Loops().end()) {
    std::fprintf(stderr, "bench_instructions: no loop %s\n", name.c_str());
    return 2;
  }
  CountedLoop(found->second(**kernels));
  return 0;
}

}  // namespace
}  // namespace quarry

int main(int argc, char** argv) {
  if (argc == 2) return quarry::Run(argv[1]);
  for (const auto& [name, make] : quarry::Loops()) std::printf("%s\n", name.c_str());
  return 0;
}
