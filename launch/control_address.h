// The address of this machine that other hosts of a cluster reach it at.
#pragma once
#include <string>
#include <vector>

namespace shoal::launch {

// The address that the kernel would send from on its way to the first of `hosts` that is not this
// machine; a loopback one when they all are. Sends nothing. Throws Error (usage) when a name has no
// address.
std::string address_towards(const std::vector<std::string>& hosts);

// "10.0.0.1", "0" -> "10.0.0.1:0"; IPv6 addresses get their brackets.
std::string with_port(const std::string& address, int port);

}  // namespace shoal::launch
