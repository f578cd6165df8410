// Which keys the simple methods attend to, from their definitions: dense causal attention,
// StreamingLLM (arXiv:2309.17453) and LM-Infinite (arXiv:2308.16137).
#pragma once

#include <cstdint>
#include <vector>

#include "tests/reference/masked_attention.h"

namespace quarry::reference {

// Every token up to the query, at its true distance.
std::vector<Term> DenseTerms(int64_t query);

// The `window` tokens up to the query at their true distances; the first `sinks` tokens once they
// are `window` or more away, sink t at distance sinks + window - 1 - t: its slot in a cache that
// holds the sinks and then a full window.
std::vector<Term> StreamLlmTerms(int64_t query, int64_t sinks, int64_t window);

// The same keys, every sink at distance window - 1.
std::vector<Term> InfiniteLmTerms(int64_t query, int64_t sinks, int64_t window);

}  // namespace quarry::reference
