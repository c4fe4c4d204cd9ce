"""Active learning simulated on images whose labels are known: strategies compared, paired seed by seed."""
