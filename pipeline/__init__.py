"""The science of Borderline: images, classifiers, attacks and query strategies; knows no SQL, no Prefect, no page."""
