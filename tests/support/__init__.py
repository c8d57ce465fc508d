"""What tests of several folders share: servers, fakes, drawn images."""
