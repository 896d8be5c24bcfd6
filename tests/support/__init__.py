"""What tests are made of: servers, clusters, clients and Pods, a folder for each. It holds no tests."""
