#include "tests/reference/window_attention.h"

namespace quarry::reference {
namespace {

std::vector<Term> WindowTerms(int64_t query, int64_t window) {
  std::vector<Term> terms;
  for (int64_t t = 0; t <= query; ++t) {
    if (query - t < window) terms.push_back({t, query - t});
  }
  return terms;
}

}  // namespace

std::vector<Term> DenseTerms(int64_t query) { return WindowTerms(query, query + 1); }

std::vector<Term> StreamLlmTerms(int64_t query, int64_t sinks, int64_t window) {
  std::vector<Term> terms = WindowTerms(query, window);
  for (int64_t t = 0; t < sinks; ++t) {
    if (query - t >= window) terms.push_back({t, sinks + window - 1 - t});
  }
  return terms;
}

std::vector<Term> InfiniteLmTerms(int64_t query, int64_t sinks, int64_t window) {
  std::vector<Term> terms = WindowTerms(query, window);
  for (int64_t t = 0; t < sinks; ++t) {
    if (query - t >= window) terms.push_back({t, window - 1});
  }
  return terms;
}

}  // namespace quarry::reference
