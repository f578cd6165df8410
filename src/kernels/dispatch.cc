#include "kernels/dispatch.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace quarry::kernels {

#ifdef QUARRY_HAVE_AVX2
const KernelTable& Avx2Kernels();
#endif
#ifdef QUARRY_HAVE_AVX512
const KernelTable& Avx512Kernels();
const KernelTable& Avx512VnniKernels();
const KernelTable& Avx512Bf16Kernels();
#endif
#ifdef QUARRY_HAVE_NEON
const KernelTable& NeonKernels();
#endif

namespace {

constexpr std::array<std::string_view, 6> kNames = {"scalar",     "avx2",       "avx512",
                                                    "avx512vnni", "avx512bf16", "neon"};

#if defined(__x86_64__)
bool HasAvx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

bool HasAvx512() {
  return HasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

// On Intel's Sapphire and Emerald Rapids VDPBF16PS runs at a quarter of the rate of an f32 FMA, so
// that f32 does twice the FLOP/s of bf16 (measured: 178 against 86 GFLOP/s a core); on AMD's Zen 4
// and 5 bf16 does twice those of f32. docs/performance.md has the table.
bool Bf16DotIsFast() {
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(0, &eax, &ebx, &ecx, &edx)) return false;
  return ebx == signature_AMD_ebx && ecx == signature_AMD_ecx && edx == signature_AMD_edx;
}
#endif

struct Choices {
  std::vector<const KernelTable*> supported;  // slowest first
  const KernelTable* best;
};

const Choices& Detect() {
  static const Choices choices = [] {
    Choices c;
    c.supported.push_back(&ScalarKernels());
    c.best = c.supported.back();
#ifdef QUARRY_HAVE_AVX2
    if (HasAvx2()) c.best = c.supported.emplace_back(&Avx2Kernels());
#endif
#ifdef QUARRY_HAVE_AVX512
    if (HasAvx512()) {
      c.best = c.supported.emplace_back(&Avx512Kernels());
      if (!__builtin_cpu_supports("avx512vnni")) return c;
      c.best = c.supported.emplace_back(&Avx512VnniKernels());
      if (__builtin_cpu_supports("avx512bf16")) {
        c.supported.push_back(&Avx512Bf16Kernels());
        if (Bf16DotIsFast()) c.best = c.supported.back();
      }
    }
#endif
#ifdef QUARRY_HAVE_NEON
    c.best = c.supported.emplace_back(&NeonKernels());
#endif
    return c;
  }();
  return choices;
}

}  // namespace

std::span<const KernelTable* const> SupportedKernels() { return Detect().supported; }

Result<const KernelTable*> ChooseKernels(std::string_view isa, std::string_view source) {
  if (isa.empty()) return Detect().best;
  std::string supported;
  for (const KernelTable* table : SupportedKernels()) {
    if (table->isa == isa) return table;
    supported += fmt::format("{}{}", supported.empty() ? "" : ", ", table->isa);
  }
  if (std::find(kNames.begin(), kNames.end(), isa) != kNames.end()) {
    return Unsupported(fmt::format("{} is {}, which this build or CPU does not have (it has {})",
                                   source, isa, supported));
  }
  return InvalidArgument(
      fmt::format("{} is \"{}\", must be one of {}", source, isa, fmt::join(kNames, ", ")));
}

Result<const KernelTable*> ChooseKernelsFromEnvironment() {
  const char* isa = std::getenv("QUARRY_ISA");
  return ChooseKernels(isa == nullptr ? std::string_view() : isa, "QUARRY_ISA");
}

}  // namespace quarry::kernels
